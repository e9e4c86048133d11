"""Optional compiled kernels of otseg; none are built yet, and otseg works without them."""
