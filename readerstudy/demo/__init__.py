"""The demonstration: drawn lesions, simulated readers, and the embedded services that `manage.py demo` runs."""
