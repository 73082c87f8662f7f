// What worker_entry.c and spawn.c know of each other.
#pragma once
#include <stdbool.h>
#include <stdint.h>

/// The same number in two processes means: the same build of the image that holds this code.
uint64_t spindle_own_image_identity(void);
/// True when this process was started as a worker and could not be diverted: it must not start children, or each
/// generation of a program that cannot be diverted would start the next.
bool spindle_is_misfit(void);
