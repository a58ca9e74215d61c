"""One fit: rows become jobs, jobs become packs, packs become fitted attributes."""
