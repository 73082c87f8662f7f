/// Called by fork_server.c before the fork server takes requests: once here what every worker would do first, so that its
/// copies find it done. The runtime looks up conformances and types, the loader binds functions.
///
/// It starts no thread and leaves nothing behind but caches; `fork_server.c` counts the threads afterwards.
@_cdecl("spindle_warm_up")
func spindleWarmUp() {
  let identity = ProcessIdentity(name: "", isDaemon: false, numbers: [0])
  guard let bytes = try? Wire.encode(identity), (try? Wire.decode(ProcessIdentity.self, from: bytes)) != nil else {
    return
  }
  guard let call = try? Call({ (number: Int, text: String) in text.utf8.count + number }, 1, "") else { return }
  let arrived = AttachmentList()
  let reply = invokeCall(call.bytes, attachments: arrived, replyAttachments: AttachmentList())
  _ = try? call.result(of: reply)
}
