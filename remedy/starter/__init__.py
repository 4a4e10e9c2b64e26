"""`remedy init`: a first remediation.yml from the alerts that the Prometheus at hand already has."""
