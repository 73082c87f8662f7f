/// How the worker processes of a pool are made.
public enum StartMethod: Sendable, Hashable {
  /// A new process that loads the program again and is diverted before `main`. It inherits the environment, the arguments,
  /// standard output and standard error; nothing else of its parent's memory or descriptors.
  case spawn
}
