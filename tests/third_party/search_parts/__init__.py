"""Parts that another distribution adds to propulate-like."""
