"""What several tests share: tables, packs, searches, oracles, the record of results."""
