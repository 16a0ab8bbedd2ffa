"""The built-in protocols keep the promises of their kind."""

from facesim.testing.suites import ProtocolContract


class TestPairs(ProtocolContract):
    name = "pairs"


class TestKFold(ProtocolContract):
    name = "k_fold"


class TestExhaustive(ProtocolContract):
    name = "exhaustive"
