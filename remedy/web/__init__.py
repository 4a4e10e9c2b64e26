"""How exporter and bridge are served over HTTP; knows neither of them."""
