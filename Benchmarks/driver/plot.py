"""One bar per row: how many times as fast as the best peer, on a logarithmic scale. Usage: plot.py RESULTS.json OUT.svg"""
import json
import statistics
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "spindle"
import matplotlib.pyplot as plt  # noqa: E402

import report  # noqa: E402

with open(sys.argv[1]) as f:
    results = json.load(f)
bars = [(f"{row['workload']} ({row['threads']})" + (" tasks" if report.is_task_form(name) else ""), peer, r)
        for row, name, peer, r in report.comparisons(results) if r]
if not bars:
    sys.exit(0)
figure, axes = plt.subplots(figsize=(9, 0.24 * len(bars) + 1.2))
for y, (label, peer, r) in enumerate(bars):
    middle = statistics.median(r)
    axes.barh(y, middle - 1, left=1, color="#2a7f62" if middle >= 1 else "#b5523b", height=0.7)
    axes.plot([min(r), max(r)], [y, y], color="black", linewidth=0.8)
    axes.annotate(f" {middle:.3g} × {peer}", (max(max(r), 1), y), va="center", fontsize=7)
axes.set_yticks(range(len(bars)), [label for label, _, _ in bars], fontsize=7)
axes.invert_yaxis()
axes.set_xscale("log")
axes.axvline(1, color="black", linewidth=0.8)
axes.set_xlim(right=axes.get_xlim()[1] * 6)
axes.set_xlabel("times as fast as the best peer of the row (line: smallest to largest round)")
axes.set_title(f"Spindle beside its peers, {results['date']}, commit {results['commit']}", fontsize=9)
figure.tight_layout()
figure.savefig(sys.argv[2], metadata={"Date": None})
