#!/usr/bin/env python3
"""Counts words a second time, in another language, and compares with `spindle wordcount` in all its modes.

Usage: independent_count.py PROGRAM PATH...

Uses nothing but the standard library. Exit status 0: every mode gives these counts, alone and together.
"""
import collections
import json
import os
import re
import stat
import subprocess
import sys

WORD = re.compile(rb"[A-Za-z]+")


def files(paths):
    """Every regular file at or below the paths, each once, however many links lead to it."""
    seen = set()

    def visit(path):
        try:
            status = os.stat(path)
        except OSError:
            if os.path.lexists(path):
                yield path, None
            return
        if (status.st_dev, status.st_ino) in seen:
            return
        if stat.S_ISREG(status.st_mode):
            seen.add((status.st_dev, status.st_ino))
            yield path, status
        elif stat.S_ISDIR(status.st_mode):
            seen.add((status.st_dev, status.st_ino))
            for name in os.listdir(path):
                yield from visit(os.path.join(path, name))

    for path in paths:
        yield from visit(os.fsencode(path))


def count(paths):
    """The counts that the command is expected to print, but for the runs."""
    counts = collections.Counter()
    number = size = 0
    skipped = set()
    for path, status in files(paths):
        try:
            if status is None:
                raise OSError(path)
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            skipped.add(path.decode(errors="replace"))
            continue
        number += 1
        size += len(text)
        counts.update(word.lower().decode() for word in WORD.findall(text))
    top = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:25]
    return {
        "files": number,
        "bytes": size,
        "words": sum(counts.values()),
        "unique": len(counts),
        "skipped": skipped,
        "top": [{"word": word, "count": times} for word, times in top],
    }


def main():
    program, *paths = sys.argv[1:]
    expected = count(paths)
    failed = False
    for mode, runs in [
        ("serial", ["serial"]),
        ("threads", ["threads"]),
        ("processes", ["processes"]),
        ("all", ["serial", "threads", "processes"]),
    ]:
        command = [program, "wordcount", "--mode", mode, "--top", "25", "--json", *paths]
        run = subprocess.run(command, stdout=subprocess.PIPE, timeout=600)
        got = json.loads(run.stdout)
        got["skipped"] = set(got["skipped"])
        problems = [f"{key}: {got[key]}, not {expected[key]}" for key in expected if got[key] != expected[key]]
        if [entry["mode"] for entry in got["runs"]] != runs:
            problems.append(f"runs: {got['runs']}")
        if run.returncode != (1 if expected["skipped"] else 0):
            problems.append(f"exit status {run.returncode}")
        seconds = ", ".join(f"{entry['mode']} {entry['seconds']:.3f} s" for entry in got["runs"])
        print(f"{'differs' if problems else 'equal'}: {mode} ({seconds})")
        for problem in problems:
            print("  " + problem)
        failed = failed or bool(problems)
    print(f"{expected['files']} files, {expected['bytes']} bytes, {expected['words']} words, {expected['unique']} different")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
