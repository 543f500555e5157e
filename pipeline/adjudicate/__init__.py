"""From sightings to evidence: tracks, folds over looks, rules, attribution; pure functions."""
