"""The table of a run: Spindle's figure, the best peer's, and the ratio.

Usage: report.py        writes the table of Results/latest.json into the README, between its marks
"""
import json
import os
import statistics

MACHINE = "PHY-"


def is_more_better(unit):
    return unit.endswith("/s") and not unit.startswith("wake-ups") or unit.startswith("GB")


def ranked(row, names):
    """The names, the best median first."""
    return sorted(names, key=lambda n: statistics.median(row["contenders"][n]["values"]), reverse=is_more_better(row["unit"]))


def split(row):
    ours = [n for n in row["contenders"] if n.startswith("spindle-")]
    theirs = [n for n in row["contenders"] if not n.startswith("spindle-")]
    return ours, theirs


def is_task_form(name):
    return name.endswith("-tasks")


def rivals(row, name):
    """Whom a contender of ours is compared with: forms for tasks with goroutines and Swift's own, the others with OS threads."""
    theirs = split(row)[1]
    if is_task_form(name):
        return [n for n in theirs if n.startswith("go-") or n.startswith("swift-async")]
    return [n for n in theirs if not n.startswith("go-") and not n.startswith("swift-async") or row["workload"].startswith("P")]


def ratios(row, ours, peer):
    """Round by round; above 1 says that Spindle is faster."""
    pairs = zip(row["contenders"][ours]["values"], row["contenders"][peer]["values"])
    return [(a / b if is_more_better(row["unit"]) else b / a) for a, b in pairs if a and b]


def comparisons(results):
    """(row, our name, best rival or None, ratios): the threads' form first, then the tasks'."""
    for row in results["rows"].values():
        ours, _ = split(row)
        for group in ([n for n in ours if not is_task_form(n)], [n for n in ours if is_task_form(n)]):
            for name in ranked(row, group)[:1]:
                peer = next(iter(ranked(row, rivals(row, name))), None)
                yield row, name, peer, ratios(row, name, peer) if peer else []


def worth_measuring(path, peers, below=None):
    """Per row the names that are worth measuring again: Spindle's best, and so many of the best peers of the last results.

    With `below` only rows where Spindle was not that many times as fast as the best peer, and no forms for tasks. None without results.
    """
    try:
        with open(path) as f:
            results = json.load(f)
    except OSError:
        return None
    wanted = {}
    for row, name, _, values in comparisons(results):
        if below is not None and (not values or statistics.median(values) >= below or is_task_form(name)):
            continue
        wanted.setdefault(f"{row['workload']} {row['threads']}", set()).update([name], ranked(row, rivals(row, name))[:peers])
    return wanted


def short(x):
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(x) >= size:
            return f"{x / size:.3g}{suffix}"
    return f"{x:.3g}"


def shown(values):
    return f"{short(statistics.median(values))} ({short(min(values))} to {short(max(values))})"


def heading(results):
    m = results["machine"]
    beside = f"beside {results['beside']} busy loops of other programs; " if results.get("beside") else ""
    return (
        f"{results['date']}, commit {results['commit']}, {m['cores']} cores of {m['processor']}, kernel {m['kernel']}, {m['libc']}; {beside}"
        f"{results['rounds']} rounds, load {results['load'].get('smallest', 0):.1f} to {results['load'].get('largest', 0):.1f}.\n\n"
        + "; ".join(results["compilers"].values()) + ".\n")


def summary(results):
    lines = [heading(results), "Median of the rounds (smallest to largest). A ratio above 1 says that Spindle is faster. Switches: how often its threads left a processor, per operation. "
             "Apart: nanoseconds that a word took from one processor to the other before and after Spindle was measured; who met something else than the others of its row was measured again, up to three times. Empty where that was not looked at.\n",
             "| row | threads | unit | Spindle | best peer | ratio | switches | apart |", "|---|---|---|---|---|---|---|---|"]
    for row, name, peer, r in comparisons(results):
        ours = f"{name.removeprefix('spindle-')} {shown(row['contenders'][name]['values'])}"
        theirs = f"{peer} {shown(row['contenders'][peer]['values'])}" if peer else ""
        ratio = shown(r) if r else ""
        switches = row["contenders"][name].get("switches")
        switches = f"{statistics.median(switches):.2g}" if switches else ""
        crossings = [c for c in row["contenders"][name].get("crossing", ()) if c]
        lines.append(f"| {row['workload']} | {row['threads']} | {row['unit']} | {ours} | {theirs} | {ratio} | {switches} | {shown(crossings) if crossings else ''} |")
    if results.get("missed"):
        lines.append(f"\nFailed, or did not end within {results['patience']} s, so often: " + "; ".join(f"{label} ({times})" for label, times in results["missed"].items()) + ".")
    return "\n".join(lines) + "\n"


def table(results):
    """The summary, then every contender of every row, the best first."""
    lines = [summary(results), "## Every contender\n", "| row | threads | unit | contender | median | smallest to largest | note |", "|---|---|---|---|---|---|---|"]
    for row in results["rows"].values():
        for name in ranked(row, row["contenders"]):
            entry = row["contenders"][name]
            v = entry["values"]
            lines.append(
                f"| {row['workload']} | {row['threads']} | {row['unit']} | {name} | {short(statistics.median(v))} | "
                f"{short(min(v))} to {short(max(v))} | {entry['note']} |")
    return "\n".join(lines) + "\n"


def write_into_readme(folder):
    """One line a row: what a reader wants to compare, rows where we lose included."""
    with open(os.path.join(folder, "Results", "latest.json")) as f:
        results = json.load(f)
    lines = [
        f"{heading(results).splitlines()[0]} Each figure is the median of the rounds.\n",
        "| row | threads | unit | Spindle | best peer | ratio |", "|---|---|---|---|---|---|"]
    for row, name, peer, r in comparisons(results):
        if not r:  # no peer, or nothing on either side, as wake-ups of who sleeps
            continue
        ours, theirs = (short(statistics.median(row["contenders"][n]["values"])) for n in (name, peer))
        lines.append(
            f"| {row['workload']} | {row['threads']} | {row['unit']} | {name.removeprefix('spindle-')} {ours} | {peer} {theirs} | "
            f"{statistics.median(r):.2f} |")
    path = os.path.join(folder, "..", "README.md")
    with open(path) as f:
        text = f.read()
    begin, end = "<!-- benchmarks: written by Benchmarks/run table -->\n", "<!-- end of benchmarks -->"
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    with open(path, "w") as f:
        f.write(before + begin + "\n".join(lines) + "\n" + end + after)


if __name__ == "__main__":
    write_into_readme(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
