#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "CSpindle.h"
#include "worker_internal.h"

extern void *swift_allocObject(const void *metadata, size_t size, size_t alignment_mask);

void *spindle_swift_object(const void *metadata, size_t byte_count) {
  return swift_allocObject(metadata, byte_count, _Alignof(max_align_t) - 1);
}

struct digest {
  uint64_t high, low;
};

// Not for secrecy: two images of one machine must differ.
static struct digest mix(struct digest digest, const void *bytes, size_t count) {
  const unsigned char *at = bytes;
  while (count > 0) {
    uint64_t word = 0;
    size_t step = count < 8 ? count : 8;
    memcpy(&word, at, step);
    digest.high = (digest.high ^ word) * 0x100000001B3u;
    digest.high ^= digest.high >> 29;
    digest.low = (digest.low + word) * 0x9E3779B97F4A7C15u;
    digest.low ^= digest.low >> 32;
    at += step;
    count -= step;
  }
  return digest;
}

static struct digest identity_of_image(const struct dl_phdr_info *info) {
  struct digest digest = {0xCBF29CE484222325u, 0x84222325CBF29CE4u};
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_NOTE) continue;
    const char *at = (const char *)(info->dlpi_addr + header->p_vaddr);
    const char *end = at + header->p_filesz;
    while (end - at >= (ptrdiff_t)sizeof(ElfW(Nhdr))) {
      const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
      size_t name = (note->n_namesz + 3u) & ~(size_t)3;
      size_t rest = (size_t)(end - at) - sizeof *note;
      if (name > rest || note->n_descsz > rest - name) break;
      at += sizeof *note;
      if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(at, "GNU", 4) == 0)
        return mix(digest, at + name, note->n_descsz);
      size_t description = (note->n_descsz + 3u) & ~(size_t)3;
      if (description > rest - name) break;
      at += name + description;
    }
  }
  // Linked without a build-id: what relocation does not touch. The addresses in the headers are relative to the image.
  digest = mix(digest, info->dlpi_phdr, info->dlpi_phnum * sizeof *info->dlpi_phdr);
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type == PT_LOAD && (header->p_flags & PF_X) && (header->p_flags & PF_R) && !(header->p_flags & PF_W))
      digest = mix(digest, (const void *)(info->dlpi_addr + header->p_vaddr), header->p_filesz);
  }
  return digest;
}

struct image_query {
  uintptr_t address;  // 0: look for the place
  struct spindle_image_place place;
  size_t byte_count;
  enum spindle_segment segment;
  int index;
  bool is_executable;
};

static enum spindle_segment segment_at(const struct dl_phdr_info *info, uintptr_t address, size_t byte_count) {
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    uintptr_t into = address - (info->dlpi_addr + header->p_vaddr);
    if (header->p_type != PT_LOAD || into >= header->p_memsz || header->p_memsz - into < byte_count) continue;
    if (!(header->p_flags & PF_R)) return spindle_segment_none;
    return header->p_flags & PF_X ? spindle_segment_code : spindle_segment_data;
  }
  return spindle_segment_none;
}

static int visit(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  struct image_query *query = context;
  query->is_executable = query->index++ == 0;  // the executable is the first object
  if (query->address != 0) {
    enum spindle_segment segment = segment_at(info, query->address, 1);
    if (segment == spindle_segment_none) return 0;
    struct digest digest = identity_of_image(info);
    query->segment = segment;
    query->place = (struct spindle_image_place){digest.high, digest.low, query->address - info->dlpi_addr};
    return 1;
  }
  // The cheap question first: most images do not reach as far as the offset, or have another kind of segment there.
  enum spindle_segment segment = segment_at(info, info->dlpi_addr + query->place.offset, query->byte_count);
  if (segment == spindle_segment_none) return 0;
  struct digest digest = identity_of_image(info);
  if (digest.high != query->place.image_high || digest.low != query->place.image_low) return 0;
  query->segment = segment;
  query->address = info->dlpi_addr + query->place.offset;
  return 1;
}

struct spindle_own_image spindle_own_image(void) {
  struct image_query query = {.address = (uintptr_t)&spindle_own_image};
  if (dl_iterate_phdr(visit, &query) == 0) return (struct spindle_own_image){0, false};
  return (struct spindle_own_image){(query.place.image_high ^ query.place.image_low) | 1, query.is_executable};
}

enum spindle_segment spindle_image_place_of(const void *address, struct spindle_image_place *place) {
  struct image_query query = {.address = (uintptr_t)address};
  if (address == NULL || dl_iterate_phdr(visit, &query) == 0) return spindle_segment_none;
  *place = query.place;
  return query.segment;
}

const void *spindle_image_address(
    struct spindle_image_place place, size_t byte_count, enum spindle_segment *segment) {
  struct image_query query = {.place = place, .byte_count = byte_count};
  *segment = spindle_segment_none;
  if (dl_iterate_phdr(visit, &query) == 0) return NULL;
  *segment = query.segment;
  return (const void *)query.address;
}
