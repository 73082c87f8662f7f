// Glibc, which Foundation exports too, has a `Semaphore`: an address of a `sem_t`.
import Glibc
import Spindle
import Testing

/// Names as types beside those of other modules: that they compile is the property.
@Suite struct NameTests {
  let semaphore: Semaphore = BoundedSemaphore(1)

  @Test func aSemaphoreIsSpindlesWhateverElseIsImported() {
    func isFree(_ semaphore: Semaphore) -> Bool { semaphore.available == 1 }
    #expect(isFree(semaphore))
  }
}
