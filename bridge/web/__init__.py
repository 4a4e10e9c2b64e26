"""The bridge's HTTP side: who may come in, notifications, the record, what people change, and the operators' page."""
