@_exported import SpindleFutures
@_exported import SpindleGround
@_exported import SpindleProcesses
@_exported import SpindleQueues
@_exported import SpindleThreads
