"""Many views to 3D: robust triangulation with uncertainty."""
