"""Networks on the backend: Hessians, training, depth, descent."""
