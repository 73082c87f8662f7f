"""Measures Spindle beside its peers, interleaved: in each round the contenders of a row follow one another."""
import argparse
import collections
import contextlib
import datetime
import json
import os
import re
import subprocess
import sys
import time

import contenders
import report

RESULTS = os.path.join(contenders.HERE, "Results")


# What is kept of each measurement beside its value: how often a thread left its processor per operation, and how long a word took
# between the processors before and after, 0 where that was not the same.
FIGURES_BESIDE = ("switches", "crossing")


def natural(row):
    return [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", row[0])], row[1]


def output(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), os.uname().machine)
    return {
        "processor": model, "cores": len(os.sched_getaffinity(0)), "kernel": os.uname().release,
        "libc": "-".join(os.confstr("CS_GNU_LIBC_VERSION").split()),
    }


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def commit():
    """What is measured; results of earlier runs make no state of their own."""
    changed = output(["git", "-C", contenders.HERE, "status", "--porcelain", "--", "..", ":(exclude)Results"])
    return output(["git", "-C", contenders.HERE, "rev-parse", "--short", "HEAD"]) + ("-dirty" if changed else "")


def run_once(command, variant, threads, patience):
    """One line of a contender; None when it failed, or did not end within so many seconds."""
    arguments = [*command, variant, str(threads)]
    try:
        p = subprocess.run(arguments, capture_output=True, text=True, timeout=patience, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        print(f"  {' '.join(arguments[-3:])} did not end within {patience} s", file=sys.stderr)
        return None
    fields = p.stdout.rstrip("\n").split("\t")
    if p.returncode or len(fields) < 5:
        print(f"  {' '.join(arguments[-3:])} failed: {p.stderr.strip()[-200:]}", file=sys.stderr)
        return None
    line = {"contender": fields[1], "value": float(fields[3]), "unit": fields[4], "note": fields[5] if len(fields) > 5 else ""}
    if len(fields) > 6 and fields[6]:
        line["switches"] = float(fields[6])
    return line


@contextlib.contextmanager
def busy_loops(count):
    """So many programs that want a processor all the time."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def crossing(physical):
    """How long a word takes from one processor to the other now, in nanoseconds; 0 where that cannot be measured."""
    return float(output(physical + ["crossing"]) or 0) if physical else 0


def are_alike(a, b):
    return max(a, b) <= 1.5 * min(a, b)


def measure_alike(entries, threads, patience, physical):
    """The lines of a row's contenders, each measured while a word took as long between the processors as for the others.

    A host moves a virtual machine's processors about: for seconds or minutes they are near each other, then five times as far apart.
    So whoever met something else than what is now is measured again, but no more than three times.
    """
    def look():
        return crossing(physical) if threads > 1 else 0

    lines, unlike, after = {}, entries, look()
    for _ in range(4):
        for entry in unlike:
            _, command, variant = entry
            before, line, after = after, run_once(command, variant, threads, patience), look()
            if line:
                line["crossing"] = (before + after) / 2 if are_alike(before, after) else 0
            lines[entry] = line
        unlike = [entry for entry in entries if lines[entry] and not are_alike(lines[entry]["crossing"], after)]
        if not unlike:
            break
    return lines


def rounds_of(rows, rounds, patience, physical):
    """The figures by row and contender; how often something failed or did not end in time; the machine's load at each row.

    `physical` is the program that tells how far apart the processors are now; None where nothing can be told.
    """
    runs, missed, load = collections.OrderedDict(), collections.Counter(), []
    started = time.time()
    try:
        for number in range(rounds):
            for (workload, threads), entries in sorted(rows.items(), key=lambda item: natural(item[0])):
                load.append(os.getloadavg()[0])
                for (name, _, variant), line in measure_alike(entries, threads, patience, physical).items():
                    if not line:
                        missed[f"{workload} {threads}: {label(name, variant)}"] += 1
                        continue
                    row = runs.setdefault(f"{workload} {threads}", {"workload": workload, "threads": threads, "unit": line["unit"], "contenders": {}})
                    entry = row["contenders"].setdefault(line["contender"], {"values": [], "note": ""})
                    entry["values"].append(line["value"])
                    entry["note"] = line["note"]
                    for figure in FIGURES_BESIDE:
                        if figure in line:
                            entry.setdefault(figure, []).append(line[figure])
            print(f"round {number + 1} of {rounds}: {time.time() - started:.0f} s", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted: the results are what was measured so far", file=sys.stderr)
    return runs, missed, load


def main():
    parser = argparse.ArgumentParser(prog="Benchmarks/run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", default="", help="a regular expression for workloads, as '^M' or '^Q1/64/'")
    parser.add_argument("--contenders", default="", help="a regular expression for contenders, as 'spindle|rust'")
    parser.add_argument("--quick", action="store_true", help="one round, --best 1")
    parser.add_argument("--best", type=int, default=0, metavar="PEERS", help="only so many of the best peers of Results/latest.json")
    parser.add_argument("--below", type=float, metavar="RATIO", help="with --best: only rows that were not won by so much there, and of ours only the best form; none for tasks")
    parser.add_argument("--name", default="latest", help="the results' name: Results/NAME.json, .md, .svg")
    parser.add_argument("--beside", type=int, default=0, metavar="LOOPS", help="run beside so many busy loops; a row has 30 s then")
    options = parser.parse_args()
    rounds, peers = (1, 1) if options.quick else (options.rounds, options.best)

    commands = {}
    for contender in contenders.ALL:
        if not re.search(options.contenders, contender.name):
            continue
        try:
            commands[contender.name] = contender.build()
        except contenders.Missing as missing:
            if contender.name == "spindle":
                sys.exit(str(missing))
            print(f"skipped: {contender.name}: {missing}", file=sys.stderr)

    try:
        physical = commands.get("machine") or contenders.c()
    except contenders.Missing as missing:
        physical = None
        print(f"no look at how the host runs the processors: {missing}", file=sys.stderr)

    wanted = None
    if peers:
        wanted = report.worth_measuring(os.path.join(RESULTS, "latest.json"), peers, options.below)
    rows = collections.OrderedDict()
    for name, command in commands.items():
        for line in output(command + ["list"]).splitlines():
            variant, threads = line.split()
            workload = variant.split(":")[0]
            if not re.search(options.rows, workload):
                continue
            # Forms of our own that are not the best are left out only where it is the best that is in doubt.
            is_optional = name != "spindle" or options.below
            if wanted is not None and is_optional and label(name, variant) not in wanted.get(f"{workload} {threads}", ()):
                continue
            rows.setdefault((workload, int(threads)), []).append((name, tuple(command), variant))
    # A row without Spindle says what the machine is, or what is still to come.
    patience = 30 if options.beside else 120
    with busy_loops(options.beside):
        # With one processor, or among busy loops, there is nothing to look at.
        looks = len(os.sched_getaffinity(0)) > 1 and not options.beside
        runs, missed, load = rounds_of(rows, rounds, patience, physical if looks else None)

    results = {
        "date": now(), "commit": commit(),
        "machine": machine(), "compilers": contenders.versions(), "rounds": rounds,
        "load": {"smallest": min(load), "median": sorted(load)[len(load) // 2], "largest": max(load)} if load else {},
        "beside": options.beside, "patience": patience, "missed": missed, "rows": runs,
    }
    write(results, options.name)
    print(report.summary(results))
    if not options.beside and not options.below:  # else few rows, and some without figures: the table says more
        draw(options.name)


def write(results, name):
    os.makedirs(RESULTS, exist_ok=True)
    with open(os.path.join(RESULTS, name + ".json"), "w") as f:
        json.dump(results, f, indent=1)
        f.write("\n")
    with open(os.path.join(RESULTS, name + ".md"), "w") as f:
        f.write(report.table(results))


def draw(name):
    plot, base = os.path.join(contenders.HERE, "driver", "plot.py"), os.path.join(RESULTS, name)
    if subprocess.run([contenders.python(), plot, base + ".json", base + ".svg"]).returncode:
        print("no plot: it needs matplotlib", file=sys.stderr)


def label(contender, variant):
    """As the program itself names the variant: rust-crossbeam for Q3:crossbeam of rust."""
    prefix = contender.split("-")[0] if contender != "machine" else "c"
    return f"{prefix}-{variant.split(':')[1]}"


if __name__ == "__main__":
    main()
