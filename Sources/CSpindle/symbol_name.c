// The name of a function, from the symbol table of the file it was loaded from. Executables export next to nothing, so dladdr
// does not know it.

#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "CSpindle.h"

extern char *swift_demangle(const char *mangled, size_t length, char *, size_t *, uint32_t flags) __attribute__((weak));

struct place {
  uintptr_t address, base;
  const char *file;
  int index;
};

static int find_place(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  struct place *place = context;
  int index = place->index++;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD || place->address - (info->dlpi_addr + header->p_vaddr) >= header->p_memsz) continue;
    place->base = info->dlpi_addr;
    place->file = index == 0 ? "/proc/self/exe" : info->dlpi_name;
    return 1;
  }
  return 0;
}

struct symbol {
  const char *name;
  uintptr_t start;
  size_t size;
};

// Every offset in the file is checked: the file may have been replaced by anything since it was loaded.
static bool find_symbol(const char *file, size_t size, uintptr_t offset, struct symbol *found) {
  const ElfW(Ehdr) *head = (const void *)file;
  if (size < sizeof *head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0) return false;
  if (head->e_shentsize != sizeof(ElfW(Shdr)) || head->e_shoff > size || head->e_shoff % 8 != 0 ||
      (size - head->e_shoff) / sizeof(ElfW(Shdr)) < head->e_shnum)
    return false;
  const ElfW(Shdr) *sections = (const void *)(file + head->e_shoff);
  for (int pass = 0; pass < 2; pass++) {
    for (unsigned i = 0; i < head->e_shnum; i++) {
      const ElfW(Shdr) *table = &sections[i];
      if (table->sh_type != (pass == 0 ? SHT_SYMTAB : SHT_DYNSYM) || table->sh_link >= head->e_shnum) continue;
      const ElfW(Shdr) *names = &sections[table->sh_link];
      if (table->sh_offset > size || table->sh_size > size - table->sh_offset || table->sh_offset % 8 != 0) continue;
      if (names->sh_offset > size || names->sh_size > size - names->sh_offset) continue;
      const ElfW(Sym) *symbols = (const void *)(file + table->sh_offset);
      for (size_t s = 0; s < table->sh_size / sizeof *symbols; s++) {
        const ElfW(Sym) *symbol = &symbols[s];
        if (symbol->st_shndx == SHN_UNDEF || symbol->st_name >= names->sh_size) continue;
        if (offset - symbol->st_value >= symbol->st_size) continue;
        const char *name = file + names->sh_offset + symbol->st_name;
        size_t room = names->sh_size - symbol->st_name;
        if (name[0] == 0 || memchr(name, 0, room) == NULL) continue;
        *found = (struct symbol){.name = name, .start = symbol->st_value, .size = symbol->st_size};
        return true;
      }
    }
  }
  return false;
}

// ---- The function behind a reference to it ----

static char *demangle(const char *symbol) {
  return swift_demangle != NULL ? swift_demangle(symbol, strlen(symbol), NULL, NULL, 0) : NULL;
}

static bool begins(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

// Where the instruction at that place of the code calls or jumps to, relative to its own beginning.
static bool branch(const unsigned char *code, size_t size, size_t at, int64_t *distance) {
#if defined(__x86_64__)
  if (at + 5 > size || (code[at] != 0xE8 && code[at] != 0xE9)) return false;
  int32_t relative;
  memcpy(&relative, code + at + 1, sizeof relative);
  *distance = (int64_t)relative + 5;
  return true;
#elif defined(__aarch64__)
  uint32_t word;
  if (at % 4 != 0 || at + 4 > size) return false;
  memcpy(&word, code + at, sizeof word);
  if ((word & 0x7C000000) != 0x14000000) return false;
  *distance = (int64_t)((int32_t)(word << 6) >> 6) * 4;
  return true;
#else
  return false;
#endif
}

// A reference to a function is in some places a closure that only calls it, "implicit closure #1 (...) in" whoever refers to it.
// What a reader knows is the function that it calls: the first whose symbol is that of a function of the program and no helper
// of the compiler's. Bytes that are no instruction lead to the beginning of a function by no chance worth counting.
static char *find_called(const char *file, size_t size, const struct place *place, const struct symbol *closure) {
  const unsigned char *code = (const unsigned char *)(place->base + closure->start);
  for (size_t at = 0; at < closure->size; at++) {
    int64_t distance;
    struct symbol called;
    if (!branch(code, closure->size, at, &distance)) continue;
    uintptr_t target = closure->start + at + (uintptr_t)distance;
    if (target == closure->start || !find_symbol(file, size, target, &called) || called.start != target) continue;
    if (!begins(called.name, "$s")) continue;
    char *readable = demangle(called.name);
    if (readable == NULL) continue;
    static const char *const helpers[] = {
        "outlined ",     "merged outlined ", "type metadata", "lazy ",      "protocol ", "generic ",  "demangling ",
        "value witness", "associated ",      "base ",         "reabstract", "Swift.",    "property ", "default argument ",
    };
    bool is_helper = begins(readable, "implicit closure ");
    for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++) is_helper = is_helper || begins(readable, helpers[i]);
    if (!is_helper) return readable;
    free(readable);
  }
  return NULL;
}

size_t spindle_symbol_name(uintptr_t address, char *name, size_t capacity) {
  struct place place = {.address = address};
  if (capacity == 0 || dl_iterate_phdr(find_place, &place) == 0) return 0;
  int descriptor = open(place.file, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return 0;
  struct stat status;
  size_t size = fstat(descriptor, &status) == 0 ? (size_t)status.st_size : 0;
  const char *file = size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0) : MAP_FAILED;
  close(descriptor);
  if (file == MAP_FAILED) return 0;
  struct symbol symbol;
  size_t length = 0;
  if (find_symbol(file, size, address - place.base, &symbol)) {
    char *readable = demangle(symbol.name);
    if (readable != NULL && (begins(readable, "implicit closure #") || strstr(readable, "> of implicit closure #") != NULL)) {
      char *called = find_called(file, size, &place, &symbol);
      if (called != NULL) {
        free(readable);
        readable = called;
      }
    }
    const char *text = readable != NULL ? readable : symbol.name;
    length = strlen(text) < capacity ? strlen(text) : capacity;
    memcpy(name, text, length);
    free(readable);
  }
  munmap((void *)file, size);
  return length;
}
