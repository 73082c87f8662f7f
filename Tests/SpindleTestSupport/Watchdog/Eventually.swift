import CSpindle

/// Lets others run until `condition` holds; the watchdog ends it when it never does.
package func eventually(_ condition: () -> Bool) {
  while !condition() { spindle_yield() }
}

package func eventually(_ condition: () -> Bool) async {
  while !condition() { await Task.yield() }
}
