"""What one operation costs in figures that do not depend on the machine's load: instructions, and calls that should not be there.

Each operation of Sources/operations runs twice under callgrind, with different counts; the difference belongs to the
operations alone. Writes Results/costs.md. Usage: costs.py [--operations REGEX]
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

import contenders
import measure

PROGRAM = os.path.join(contenders.HERE, ".build/release/operations")
# Reference counting, dynamic exclusivity checks, unspecialised generics, system calls. Blocks are what the program itself counts.
WATCHED = [
    ("retain/release", r"swift_(retain|release|bridgeObject|unknownObject)"),
    ("exclusivity", r"swift_(begin|end)Access"),
    ("metadata", r"_?swift_(getGenericMetadata|getTypeByMangledName|getWitnessTable|checkMetadataState|getAssociated)"),
    ("futex, yield", r"(spindle_wait|spindle_wake|spindle_yield)$"),
]


def count(name, number):
    """Instructions and calls by function of `number` operations."""
    bare = PROGRAM + "-bare"
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        p = subprocess.run(
            ["valgrind", "--tool=callgrind", "--fair-sched=yes", f"--callgrind-out-file={out}", bare, name, str(number)],
            capture_output=True, text=True)
        if p.returncode:
            sys.exit(f"{name} failed under callgrind: {p.stderr.strip()[-400:]}")
        instructions, calls, names, callee = 0, {}, {}, None
        with open(out) as f:
            for line in f:
                if line.startswith(("fn=", "cfn=")):
                    found = re.match(r"c?fn=\((\d+)\)(?: (.*))?", line)
                    if found.group(2):
                        names[found.group(1)] = found.group(2)
                    if line.startswith("cfn="):
                        callee = names.get(found.group(1), "?")
                elif line.startswith("calls="):
                    calls[callee] = calls.get(callee, 0) + int(line[6:].split()[0])
                elif line.startswith("totals:") or line.startswith("summary:"):
                    instructions = max(instructions, int(line.split()[1]))
        return instructions, calls


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", default="", help="a regular expression for operations")
    options = parser.parse_args()
    contenders.need("valgrind", "install it with the system's package manager")
    contenders.do(["swift", "build", "-c", "release", "--product", "operations"])
    # Older versions of valgrind give up at what the compiler says for debuggers.
    contenders.do(["strip", "--strip-debug", "-o", PROGRAM + "-bare", PROGRAM])
    lines = [
        f"Commit {measure.commit()}. Per operation, by one thread, nobody else there; from two runs with different counts under callgrind.\n",
        "| operation | instructions | " + " | ".join(name for name, _ in WATCHED) + " |",
        "|---|---|" + "---|" * len(WATCHED)]
    for line in subprocess.run([PROGRAM, "list"], capture_output=True, text=True, check=True).stdout.splitlines():
        name, what = line.split("\t")
        if not re.search(options.operations, name):
            continue
        few, many = 5_000, 25_000
        (small, before), (large, after) = count(name, few), count(name, many)
        def each(pattern):
            total = sum(after.get(f, 0) - before.get(f, 0) for f in after.keys() | before.keys() if re.match(pattern, f))
            return f"{max(total, 0) / (many - few):.2f}".rstrip("0").rstrip(".")
        lines.append(f"| {what} | {(large - small) / (many - few):.0f} | " + " | ".join(each(p) for _, p in WATCHED) + " |")
        print(lines[-1], flush=True)
    if not options.operations:
        with open(os.path.join(measure.RESULTS, "costs.md"), "w") as f:
            f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
