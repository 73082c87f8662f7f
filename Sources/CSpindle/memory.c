#include <stdio.h>
#include <unistd.h>

#include "CSpindle.h"

int64_t spindle_resident_memory(void) {
  char text[128];
  int64_t count = spindle_read_file("/proc/self/statm", text, sizeof text - 1);
  if (count <= 0) return 0;
  text[count] = 0;
  long long size = 0, resident = 0;
  if (sscanf(text, "%lld %lld", &size, &resident) != 2) return 0;
  return resident * sysconf(_SC_PAGESIZE);
}
