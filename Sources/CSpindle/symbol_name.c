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

// Every offset in the file is checked: the file may have been replaced by anything since it was loaded.
static const char *find_symbol(const char *file, size_t size, uintptr_t offset) {
  const ElfW(Ehdr) *head = (const void *)file;
  if (size < sizeof *head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0) return NULL;
  if (head->e_shentsize != sizeof(ElfW(Shdr)) || head->e_shoff > size || head->e_shoff % 8 != 0 ||
      (size - head->e_shoff) / sizeof(ElfW(Shdr)) < head->e_shnum)
    return NULL;
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
        if (name[0] != 0 && memchr(name, 0, room) != NULL) return name;
      }
    }
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
  const char *symbol = find_symbol(file, size, address - place.base);
  size_t length = 0;
  if (symbol != NULL) {
    char *readable = swift_demangle != NULL ? swift_demangle(symbol, strlen(symbol), NULL, NULL, 0) : NULL;
    const char *text = readable != NULL ? readable : symbol;
    length = strlen(text) < capacity ? strlen(text) : capacity;
    memcpy(name, text, length);
    free(readable);
  }
  munmap((void *)file, size);
  return length;
}
