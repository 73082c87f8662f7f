// The room of threads and locks.
