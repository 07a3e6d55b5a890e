"""What happened, told to people: pure functions from records, events and results to text and JSON."""

from deployer.report.history import history_json, history_table
from deployer.report.result import result_json, result_summary
from deployer.report.timeline import timeline

__all__ = ["history_json", "history_table", "result_json", "result_summary", "timeline"]
