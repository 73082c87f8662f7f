"""How costs grow with threads, with what is in line, with the number of jobs: Results/growth.{json,md,svg}.

Usage: growth.py [--series REGEX]
"""
import argparse
import json
import os
import re
import subprocess

import contenders
import measure

PROGRAM = os.path.join(contenders.HERE, ".build/release/growth")


def plot(results, path):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "spindle"
    import matplotlib.pyplot as plt
    axes_of = {}
    for one in results["series"]:
        axes_of.setdefault("threads" if one["axis"] == "threads" else "in line", []).append(one)
    figure, panels = plt.subplots(1, len(axes_of), figsize=(6.5 * len(axes_of), 5), squeeze=False)
    for axes, (axis, members) in zip(panels[0], axes_of.items()):
        for one in members:
            axes.plot(one["sizes"], one["nanoseconds"], marker="o", markersize=3, label=one["name"])
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("threads" if axis == "threads" else "elements, jobs or futures at a time")
        axes.set_ylabel("nanoseconds per operation")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.suptitle(f"Growth, {results['date']}, commit {results['commit']}", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", default="", help="a regular expression for series")
    parser.add_argument("--plot", action="store_true", help="only draw again what was measured")
    options = parser.parse_args()
    base = os.path.join(measure.RESULTS, "growth")
    if options.plot:
        with open(base + ".json") as f:
            plot(json.load(f), base + ".svg")
        return
    contenders.do(["swift", "build", "-c", "release", "--product", "growth"])
    results = {"date": measure.now(), "commit": measure.commit(), "machine": measure.machine(), "series": []}
    lines = [f"{results['date']}, commit {results['commit']}, {results['machine']['cores']} cores of {results['machine']['processor']}. "
             "Nanoseconds per operation as the size grows.\n", "| series | of | " + "size: nanoseconds |", "|---|---|---|"]
    for line in subprocess.run([PROGRAM, "list"], capture_output=True, text=True, check=True).stdout.splitlines():
        name, axis, sizes = line.split("\t")
        if not re.search(options.series, name):
            continue
        entry = {"name": name, "axis": axis, "sizes": [int(s) for s in sizes.split()], "nanoseconds": []}
        for size in entry["sizes"]:
            p = subprocess.run([PROGRAM, name, str(size)], capture_output=True, text=True, check=True, timeout=300)
            entry["nanoseconds"].append(float(p.stdout))
        results["series"].append(entry)
        figures = ", ".join(f"{size:,}: {value:.3g}" for size, value in zip(entry["sizes"], entry["nanoseconds"]))
        lines.append(f"| {name} | {axis} | {figures} |")
        print(lines[-1], flush=True)
    if options.series:
        return
    with open(base + ".json", "w") as f:
        json.dump(results, f, indent=1)
        f.write("\n")
    with open(base + ".md", "w") as f:
        f.write("\n".join(lines) + "\n")
    # By the Python that has matplotlib.
    subprocess.run([contenders.python(), os.path.abspath(__file__), "--plot"], check=False)


if __name__ == "__main__":
    main()
