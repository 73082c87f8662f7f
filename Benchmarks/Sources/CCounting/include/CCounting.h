#pragma once
#include <stdint.h>

/// How many blocks all threads have allocated so far.
uint64_t allocations_so_far(void);
