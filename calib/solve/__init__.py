"""All cameras together: from shared views to calibrated cameras."""
