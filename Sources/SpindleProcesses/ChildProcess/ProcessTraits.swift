/// What the many initialisers of `ChildProcess` have in common.
struct ProcessTraits: Sendable {
  let name: String?
  let isDaemon: Bool
  let startMethod: StartMethod
  let processGroup: ProcessGroup
  let output: ProcessOutput

  init(
    _ name: String?, _ isDaemon: Bool, _ startMethod: StartMethod, _ processGroup: ProcessGroup, _ output: ProcessOutput
  ) {
    self.name = name
    self.isDaemon = isDaemon
    self.startMethod = startMethod
    self.processGroup = processGroup
    self.output = output
  }
}
