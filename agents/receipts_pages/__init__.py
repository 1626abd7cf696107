"""The pages of tool calls: receipts, runs, totals, and the inbox of calls that wait for a person."""
