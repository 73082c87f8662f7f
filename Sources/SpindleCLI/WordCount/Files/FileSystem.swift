import Glibc

/// The few calls of the system that finding and reading files needs.
enum FileSystem {
  /// Never waits for a writer of a pipe or for a terminal, and is not inherited by child processes.
  private static let flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY

  /// Opens a file of any path length for reading; the error number when that fails.
  static func open(_ path: FilePath, _ extra: Int32 = 0) -> Result<Int32, ErrorNumber> {
    within(path.bytes, AT_FDCWD) { name, directory in
      let descriptor = openat(directory, name, O_RDONLY | flags | extra)
      return descriptor < 0 ? .failure(.current) : .success(descriptor)
    }
  }

  /// Walks paths longer than the system takes at once from directory to directory, and calls `body` with the rest.
  private static func within<Value>(
    _ path: [UInt8], _ start: Int32,
    _ body: (_ name: ArraySlice<UInt8>, _ directory: Int32) -> Result<Value, ErrorNumber>
  ) -> Result<Value, ErrorNumber> {
    var directory = start
    var rest = path[...]
    defer { if directory != start { close(directory) } }
    while rest.count >= Int(PATH_MAX) {
      guard let cut = rest.prefix(Int(PATH_MAX) - 1).lastIndex(of: slash), cut > rest.startIndex else {
        return .failure(ErrorNumber(ENAMETOOLONG))
      }
      let next = openat(directory, rest[..<cut], O_RDONLY | O_DIRECTORY | flags)
      if next < 0 { return .failure(.current) }
      if directory != start { close(directory) }
      directory = next
      // Relative from here on; only slashes left means the directory itself.
      rest = rest[cut...].drop { $0 == slash }
      if rest.isEmpty { rest = [UInt8(ascii: ".")] }
    }
    return body(rest, directory)
  }

  static func openDirectory(_ name: some Collection<UInt8>, in directory: Int32) -> Int32 {
    openat(directory, name, O_RDONLY | O_DIRECTORY | flags)
  }

  private static func openat(_ directory: Int32, _ name: some Collection<UInt8>, _ flags: Int32) -> Int32 {
    unsafe withCString(name) { name in
      while true {
        let descriptor = unsafe Glibc.openat(directory, name, flags)
        if descriptor >= 0 || errno != EINTR { return descriptor }
      }
    }
  }

  /// What is at a path, behind links unless `link`.
  static func status(
    of name: [UInt8], in directory: Int32 = AT_FDCWD, link: Bool = false
  ) -> Result<FileStatus, ErrorNumber> {
    within(name, directory) { name, directory in
      var status = stat()
      let result = unsafe withCString(name) {
        unsafe fstatat(directory, $0, &status, link ? AT_SYMLINK_NOFOLLOW : 0)
      }
      return result == 0 ? .success(FileStatus(status)) : .failure(.current)
    }
  }

  /// What a descriptor is of.
  static func status(of descriptor: Int32) -> Result<FileStatus, ErrorNumber> {
    var status = stat()
    return unsafe fstat(descriptor, &status) == 0 ? .success(FileStatus(status)) : .failure(.current)
  }

  /// Reads up to `count` bytes; 0 at the end.
  static func read(
    _ descriptor: Int32, _ buffer: UnsafeMutablePointer<UInt8>, _ count: Int
  ) -> Result<Int, ErrorNumber> {
    while true {
      let got = unsafe Glibc.read(descriptor, buffer, count)
      if got >= 0 { return .success(got) }
      if errno != EINTR { return .failure(.current) }
    }
  }

  private static func withCString<Result>(_ name: some Collection<UInt8>, _ body: (UnsafePointer<CChar>) -> Result)
    -> Result
  {
    // SAFETY: all `count + 1` places are written before they are read; the buffer is used during the call only.
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: name.count + 1) { buffer in
      var index = 0
      for byte in name {
        unsafe buffer[index] = CChar(bitPattern: byte)
        index += 1
      }
      unsafe buffer[index] = 0
      return unsafe body(buffer.baseAddress!)
    }
  }
}

private let slash = UInt8(ascii: "/")

/// A value of `errno`.
struct ErrorNumber: Error, Equatable {
  let code: Int32
  init(_ code: Int32) { self.code = code }
  static var current: ErrorNumber { ErrorNumber(errno) }
}

/// What a file is, as far as it matters here.
struct FileStatus {
  enum Kind { case file, directory, link, other }
  let kind: Kind
  let size: Int
  let device: UInt64
  let inode: UInt64

  init(_ status: stat) {
    switch status.st_mode & S_IFMT {
    case S_IFREG: kind = .file
    case S_IFDIR: kind = .directory
    case S_IFLNK: kind = .link
    default: kind = .other
    }
    size = Int(status.st_size)
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
  }
}
