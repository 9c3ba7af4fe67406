"""Figures of the lab: ratios of two things that were timed in the same run."""
