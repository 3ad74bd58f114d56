"""A fresh Postgres database for each test file, from a pool that `lakelet test` owns: docs/guide/testing.md."""

from .pool import TestDatabase, TestPoolProblem, claim_database

__all__ = ["TestDatabase", "TestPoolProblem", "claim_database"]
