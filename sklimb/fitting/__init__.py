"""Steps of one fit, from rows to jobs, packs and fitted attributes."""
