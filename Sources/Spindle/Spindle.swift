@_exported import SpindleFutures
@_exported import SpindleGround
@_exported import SpindleProcesses
@_exported import SpindleQueues
@_exported import SpindleThreads
// Glibc, and so Foundation, has a type of this name too: of two that are imported, the one named here is taken.
@_exported import class SpindleThreads.Semaphore
