import Glibc

/// A regular file to be counted.
package struct FoundFile: Sendable {
  package let path: FilePath
  /// Its size when it was found.
  package let size: Int
}

/// Finds the regular files at and below paths, each once.
///
///     var finder = FileFinder(found: { queue(...); return true }, problem: { print($0) })
///     finder.search(FilePath("/usr/share/doc"))
///
/// Symbolic links are followed, hard links are other names of one file: whatever is reached a second time, by another
/// name, through a link, or from another path, is passed over, so loops end. A link that leads nowhere is a problem.
/// What is neither a file nor a directory (pipes, sockets, devices) is passed over and never opened.
///
/// Memory: the open directories on the way down; from the 64th level on the names in those instead of a descriptor.
struct FileFinder: ~Copyable {
  private static let openLevels = 64

  private var identities = FileIdentities()
  private let found: (FoundFile) -> Bool
  private let problem: (FileProblem) -> Void

  /// `found` is called with every file and returns false to end the search.
  init(found: @escaping (FoundFile) -> Bool, problem: @escaping (FileProblem) -> Void) {
    self.found = found
    self.problem = problem
  }

  /// Finds what is at and below `path`. False when the search was ended.
  mutating func search(_ path: FilePath) -> Bool {
    switch FileSystem.status(of: path.bytes) {
    case .failure(let error):
      problem(FileProblem(path: path, operation: "look at", code: error.code))
      return true
    case .success(let status) where status.kind == .other:
      problem(FileProblem(path: path, operation: "neither a file nor a directory", code: 0))
      return true
    case .success(let status):
      var levels = Levels()
      guard visit(path, status, { levels.open(path, path.bytes, in: AT_FDCWD) }) else { return false }
      return walk(&levels)
    }
  }

  private mutating func walk(_ levels: inout Levels) -> Bool {
    while let entry = levels.next(problem) {
      let (directory, name) = entry.place
      switch FileSystem.status(of: name, in: directory) {
      case .success(let status):
        let path = entry.directory.appending(entry.name)
        guard visit(path, status, { levels.open(path, name, in: directory) }) else { return false }
      case .failure(let error):
        // Deleted since it was listed? Then it is no file any more.
        if error.code == ENOENT,
          case .failure(ErrorNumber(ENOENT)) = FileSystem.status(of: name, in: directory, link: true)
        {
          continue
        }
        let path = entry.directory.appending(entry.name)
        let operation = error.code == ENOENT ? "a link that leads nowhere" : "look at"
        problem(FileProblem(path: path, operation: operation, code: error.code == ENOENT ? 0 : error.code))
      }
    }
    return true
  }

  /// Passes a file on, or opens a directory by `open`, which returns an error number or 0.
  private mutating func visit(_ path: FilePath, _ status: FileStatus, _ open: () -> Int32) -> Bool {
    guard status.kind == .file || status.kind == .directory,
      identities.insert(device: status.device, inode: status.inode)
    else { return true }
    if status.kind == .file { return found(FoundFile(path: path, size: status.size)) }
    let code = open()
    if code != 0 { problem(FileProblem(path: path, operation: "open", code: code)) }
    return true
  }

  // MARK: The way down

  /// The directories from the start down to the one that is being read.
  // SAFETY: every stream is owned by its level, and closed once: at its end, or in `deinit`.
  @safe private struct Levels: ~Copyable {
    @safe private enum Contents {
      case stream(OpaquePointer)
      case names([[UInt8]])
    }

    struct Entry {
      let directory: FilePath
      let name: [UInt8]
      /// The descriptor of the directory, when it is open.
      let descriptor: Int32?

      /// What to give to the system: a name in an open directory, or the path.
      var place: (directory: Int32, name: [UInt8]) {
        if let descriptor { return (descriptor, name) }
        return (AT_FDCWD, directory.appending(name).bytes)
      }
    }

    private var levels: [(path: FilePath, contents: Contents)] = []

    /// Goes down into a directory. Returns an error number or 0.
    mutating func open(_ path: FilePath, _ name: [UInt8], in directory: Int32) -> Int32 {
      var descriptor: Int32
      if directory == AT_FDCWD, name.count >= Int(PATH_MAX) {
        switch FileSystem.open(path, O_DIRECTORY) {
        case .success(let opened): descriptor = opened
        case .failure(let error): return error.code
        }
      } else {
        descriptor = FileSystem.openDirectory(name, in: directory)
        if descriptor < 0 { return errno }
      }
      guard let stream = unsafe fdopendir(descriptor) else {
        let code = errno
        close(descriptor)
        return code
      }
      if levels.count < FileFinder.openLevels {
        levels.append((path, unsafe .stream(stream)))
        return 0
      }
      var names: [[UInt8]] = []
      var code: Int32 = 0
      while let name = unsafe Self.read(stream, &code) { names.append(name) }
      unsafe closedir(stream)
      levels.append((path, .names(names)))
      return code
    }

    /// The next entry of the deepest directory that has one.
    mutating func next(_ problem: (FileProblem) -> Void) -> Entry? {
      while let last = levels.last {
        switch last.contents {
        case .stream(let stream):
          var code: Int32 = 0
          if let name = unsafe Self.read(stream, &code) {
            return unsafe Entry(directory: last.path, name: name, descriptor: dirfd(stream))
          }
          if code != 0 { problem(FileProblem(path: last.path, operation: "read", code: code)) }
          unsafe closedir(stream)
          levels.removeLast()
        case .names(var names):
          guard let name = names.popLast() else {
            levels.removeLast()
            continue
          }
          levels[levels.count - 1].contents = .names(names)
          return Entry(directory: last.path, name: name, descriptor: nil)
        }
      }
      return nil
    }

    /// The next name that may be a file or a directory; nil at the end or after an error.
    private static func read(_ stream: OpaquePointer, _ code: inout Int32) -> [UInt8]? {
      while true {
        errno = 0
        guard let entry = unsafe readdir(stream) else {
          code = errno
          return nil
        }
        switch Int(unsafe entry.pointee.d_type) {
        case DT_FIFO, DT_SOCK, DT_CHR, DT_BLK: continue
        default: break
        }
        // SAFETY: the name ends with a zero byte inside the entry, which lives until the next call.
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
          let text = unsafe UnsafeRawPointer(pointer).assumingMemoryBound(to: UInt8.self)
          return unsafe Array(
            UnsafeBufferPointer(
              start: text, count: strlen(UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))))
        }
        if name == [UInt8(ascii: ".")] || name == [UInt8(ascii: "."), UInt8(ascii: ".")] { continue }
        return name
      }
    }

    deinit {
      for level in levels {
        if case .stream(let stream) = level.contents { unsafe closedir(stream) }
      }
    }
  }
}
