/// The values of `ThreadLocal`s that belong to the calling thread.
enum ThreadValues {
  static func destroyAll() {}
}
