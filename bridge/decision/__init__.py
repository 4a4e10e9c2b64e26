"""From a notification to a decision: pure gates over what is known, in one transaction for each round."""
