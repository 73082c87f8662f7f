import Glibc

/// The C library's mutex.
final class PthreadMutex: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  init() { pthread_mutex_init(mutex, nil) }
  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }
  @inline(__always) func acquire() { pthread_mutex_lock(mutex) }
  @inline(__always) func release() { pthread_mutex_unlock(mutex) }
}

/// A bounded queue as one writes it with the C library: a ring, a mutex, two conditions.
final class ConditionRing: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let notEmpty = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let notFull = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let slots: UnsafeMutablePointer<Int>
  private let capacity: Int
  private var head = 0
  private var count = 0

  init(capacity: Int) {
    self.capacity = capacity
    slots = .allocate(capacity: capacity)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(notEmpty, nil)
    pthread_cond_init(notFull, nil)
  }
  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(notEmpty)
    pthread_cond_destroy(notFull)
    mutex.deallocate()
    notEmpty.deallocate()
    notFull.deallocate()
    slots.deallocate()
  }

  func put(_ value: Int) {
    pthread_mutex_lock(mutex)
    while count == capacity { pthread_cond_wait(notFull, mutex) }
    slots[(head + count) % capacity] = value
    count += 1
    pthread_mutex_unlock(mutex)
    pthread_cond_signal(notEmpty)
  }

  func get() -> Int {
    pthread_mutex_lock(mutex)
    while count == 0 { pthread_cond_wait(notEmpty, mutex) }
    let value = slots[head]
    head = (head + 1) % capacity
    count -= 1
    pthread_mutex_unlock(mutex)
    pthread_cond_signal(notFull)
    return value
  }
}
