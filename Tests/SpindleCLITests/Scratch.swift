import Glibc
import SpindleCLI

/// A directory for one test, removed with all that is in it when the value goes.
final class Scratch {
  let path: String

  init() {
    var template = Array("/tmp/spindle-cli-XXXXXX".utf8CString)
    path = unsafe template.withUnsafeMutableBufferPointer { unsafe String(cString: mkdtemp($0.baseAddress!)) }
  }

  func at(_ name: String) -> String { path + "/" + name }

  @discardableResult
  func file(_ name: String, _ text: String) -> String { file(name, Array(text.utf8)) }

  @discardableResult
  func file(_ name: String, _ bytes: [UInt8]) -> String {
    let descriptor = unsafe open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    precondition(descriptor >= 0, "cannot make \(at(name)): \(errno)")
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe write(descriptor, $0.baseAddress! + written, $0.count - written)
      }
      precondition(count > 0, "cannot write \(at(name)): \(errno)")
      written += count
    }
    close(descriptor)
    return at(name)
  }

  @discardableResult
  func directory(_ name: String) -> String {
    precondition(unsafe mkdir(at(name), 0o755) == 0, "cannot make \(at(name)): \(errno)")
    return at(name)
  }

  func symbolicLink(_ name: String, to target: String) { precondition(unsafe symlink(target, at(name)) == 0) }
  func hardLink(_ name: String, to target: String) { precondition(unsafe link(at(target), at(name)) == 0) }
  func pipe(_ name: String) { precondition(unsafe mkfifo(at(name), 0o644) == 0) }

  deinit { Scratch.remove(path) }

  private static func remove(_ path: String) {
    if let stream = unsafe opendir(path) {
      var names: [String] = []
      while let entry = unsafe readdir(stream) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
          unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
        }
        if name != ".", name != ".." { names.append(name) }
      }
      unsafe closedir(stream)
      for name in names {
        // A link is removed, not what it leads to.
        if unsafe unlink(path + "/" + name) != 0 { remove(path + "/" + name) }
      }
      _ = unsafe rmdir(path)
    } else {
      _ = unsafe unlink(path)
    }
  }
}
