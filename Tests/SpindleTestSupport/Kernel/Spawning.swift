import Glibc

/// Starts a program in a process group of its own, with no signal blocked or ignored; gives its number, or throws the system's error.
package func spawn(
  _ path: String, _ arguments: [String], environment: [String], _ actions: inout posix_spawn_file_actions_t
) throws(SpawnError) -> pid_t {
  var attributes = posix_spawnattr_t()
  unsafe posix_spawnattr_init(&attributes)
  unsafe posix_spawnattr_setflags(
    &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
  unsafe posix_spawnattr_setpgroup(&attributes, 0)
  var signals = sigset_t()
  unsafe sigemptyset(&signals)
  unsafe posix_spawnattr_setsigmask(&attributes, &signals)
  unsafe sigfillset(&signals)
  unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
  var argv = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
  var envp = unsafe environment.map { unsafe strdup($0) } + [nil]
  defer {
    unsafe (argv + envp).forEach { unsafe free($0) }
    unsafe posix_spawnattr_destroy(&attributes)
  }
  var pid: pid_t = 0
  let error = unsafe posix_spawn(&pid, path, &actions, &attributes, &argv, &envp)
  if error != 0 { throw SpawnError(path: path, number: error) }
  return pid
}

package struct SpawnError: Error, CustomStringConvertible {
  let path: String
  let number: Int32
  package var description: String { "cannot start \(path): error \(number)" }
}
