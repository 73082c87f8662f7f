"""Several whole runs, one after the other, and what they agree about: Results/repeated.md.

Usage: repeated.py RUNS [options of Benchmarks/run]

Results/latest.* has the rounds of all of them.
"""
import collections
import json
import os
import statistics
import subprocess
import sys

import measure
import report


def together(runs):
    """One run with the rounds of all: what failed in one is told, and its row has the others' figures."""
    result = {**runs[-1], "rounds": sum(run["rounds"] for run in runs), "missed": dict(sum((collections.Counter(run["missed"]) for run in runs), collections.Counter()))}
    loads = [run["load"] for run in runs if run["load"]]
    if loads:
        result["load"] = {"smallest": min(load["smallest"] for load in loads), "median": statistics.median(load["median"] for load in loads),
                          "largest": max(load["largest"] for load in loads)}
    result["rows"] = {}
    for run in runs:
        for key, row in run["rows"].items():
            kept = result["rows"].setdefault(key, {**row, "contenders": {}})["contenders"]
            for name, entry in row["contenders"].items():
                known = kept.setdefault(name, {"values": [], "note": ""})
                known["note"] = entry["note"]
                for figures in ("values", *measure.FIGURES_BESIDE):
                    if figures in entry:
                        known[figures] = known.get(figures, []) + entry[figures]
    return result


def main():
    count, options = int(sys.argv[1]), sys.argv[2:]
    runs = []
    for number in range(count):
        print(f"run {number + 1} of {count}", file=sys.stderr)
        subprocess.run([sys.executable, measure.__file__] + options, check=True)
        with open(os.path.join(measure.RESULTS, "latest.json")) as f:
            runs.append(json.load(f))
    loads = ", ".join(f"{run['date']} (load {run['load']['smallest']:.1f} to {run['load']['largest']:.1f})" for run in runs if run["load"])
    lines = [f"{count} runs in a row of {runs[0]['rounds']} rounds each, commit {runs[-1]['commit']}: {loads}.\n",
             "The ratio to the best peer of each run, which need not be the same one; above 1 says that Spindle is faster.\n",
             "| row | threads | Spindle | best peers | " + " | ".join(f"run {i + 1}" for i in range(count)) + " | median |",
             "|---|---|---|---|" + "---|" * (count + 1)]
    for key, row in runs[0]["rows"].items():
        for is_task_form in (False, True):
            ratios, names, peers = [], set(), []
            for run in runs:
                one = {"rows": {key: run["rows"][key]}} if key in run["rows"] else {"rows": {}}
                for _, name, peer, values in report.comparisons(one):
                    if report.is_task_form(name) == is_task_form and values:
                        ratios.append(statistics.median(values))
                        names.add(name.removeprefix("spindle-"))
                        if peer not in peers:
                            peers.append(peer)
            if len(ratios) == count:
                figures = " | ".join(f"{ratio:.3g}" for ratio in ratios)
                lines.append(f"| {row['workload']} | {row['threads']} | {', '.join(sorted(names))} | {', '.join(peers)} | {figures} | {statistics.median(ratios):.3g} |")
    measure.write(together(runs), "latest")
    measure.draw("latest")
    with open(os.path.join(measure.RESULTS, "repeated.md"), "w") as f:
        f.write("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
