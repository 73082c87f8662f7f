import CSpindle
import Glibc
import Spindle

/// The scenarios with `ChildProcess`. False when it is none of these.
func runProcess(scenario: String) -> Bool {
  switch scenario {
  case "crash":
    // What the user would see on standard error, beside what the error says.
    _ = dup2(1, 2)
    let child = ChildProcess(target: crashHere, 7, startMethod: startMethod)
    child.start()
    do { _ = try child.join() } catch let error as WorkerDiedError {
      say("status \(error.exitStatus)")
      say("names the function \(error.backtrace?.contains("crashHere") == true)")
      say("says so \("\(error)".contains("crashHere"))")
    } catch { say("\(error)") }
  case "reaper":
    // A host that collects every child itself, as a shell or an init does.
    _ = signal(SIGCHLD) { _ in
      let error = errno
      while waitpid(-1, nil, WNOHANG) > 0 {}
      errno = error
    }
    let good = ChildProcess(target: double, 21, startMethod: startMethod)
    let bad = ChildProcess(target: die, SIGKILL, startMethod: startMethod)
    good.start()
    bad.start()
    say("\((try? good.join()) ?? -1)")
    do { _ = try bad.join() } catch { say("\(type(of: error))") }
  case "group":
    // A child with a program of its own, both in a group of their own.
    let child = ChildProcess(
      target: startSleeper, 1, isDaemon: true, startMethod: startMethod, processGroup: .own)
    child.start()
    say("child \(child.pid!)")
    _ = readLine()
  case "labelled": speak()
  case "blocked": speakToNobody()
  case "last-words":
    let child = ChildProcess(target: complain, 3, name: "complainer", startMethod: startMethod, output: .labelled)
    child.start()
    do { try child.join() } catch let error as WorkerDiedError {
      say("words \(error.errorOutput ?? "none")")
      say("detail \(error.detail ?? "none")")
    } catch { say("\(error)") }
  default: return false
  }
  return true
}

@inline(never) private func crashHere(_ index: Int) -> Int {
  if index > 3 { fatalError("index too large") }
  return index
}
private func double(_ n: Int) -> Int { 2 * n }
private func die(_ number: Int32) { kill(getpid(), number) }

/// Starts a program that has nothing to do with Spindle, says its number, and stays.
private func startSleeper(_ n: Int) {
  var pid: pid_t = 0
  // SAFETY: both arrays end with nil and stay for the call.
  var arguments: [UnsafeMutablePointer<CChar>?] = unsafe [strdup("sleep"), strdup("1000"), nil]
  guard unsafe posix_spawnp(&pid, "sleep", nil, nil, &arguments, environ) == 0 else { return say("no sleep") }
  say("child \(pid)")
  while true { pause() }
}

// ---- Output ----

private func speak() {
  print("begin")
  let talkers = (0..<3).map {
    ChildProcess(target: talk, $0, name: "talker \($0)", startMethod: startMethod, output: .labelled)
  }
  for talker in talkers { talker.start() }
  for number in 0..<500 { print("program \(number)") }
  for talker in talkers { try! talker.join() }
  // Whoever has joined finds the child's lines written.
  print("end")
}

private func talk(_ number: Int) {
  for line in 0..<2000 { print("line \(line) \(String(repeating: "x", count: line % 200))") }
  // No text at all, and no line end at the end.
  var junk: [UInt8] = [0xff, 0x00, 0x80, 10, 0xfe]
  fflush(nil)
  _ = unsafe write(1, &junk, junk.count)
}

private func flood(_ n: Int) {
  let line = Array((String(repeating: "y", count: 99) + "\n").utf8)
  while true { _ = unsafe write(1, line, line.count) }
}

private func speakToNobody() {
  var ends: [Int32] = [0, 0]
  _ = unsafe pipe(&ends)
  let saying = dup(1)
  dup2(ends[1], 1)
  let flooder = ChildProcess(target: flood, 1, startMethod: startMethod, output: .labelled)
  flooder.start()
  // Until the pipe is full: nobody reads more of it.
  var byte: UInt8 = 0
  _ = unsafe read(ends[0], &byte, 1)
  for number in 0..<3 {
    let child = ChildProcess(target: double, number, startMethod: startMethod)
    child.start()
    say("\(try! child.join())", to: saying)
  }
  flooder.kill()
  do { try flooder.join() } catch { say("\(type(of: error))", to: saying) }
  kill(getpid(), SIGKILL)  // an exit would wait until somebody reads, and a sanitizer's `_exit` too
}

private func complain(_ index: Int) {
  complainInALine("the disk is full")
  if index >= 3 { fatalError("index too large") }
}

private func complainInALine(_ text: String) {
  let bytes = Array((text + "\n").utf8)
  _ = unsafe write(2, bytes, bytes.count)
}
