/// One thread finds and counts. The same loop over the same pieces as the other modes have.
func countSerially(_ work: Work, into counting: Counting) -> Search {
  Search(work) { file in
    Piece.each(of: file) { piece in
      let bytes = counting.count(piece, shouldStop: work.shouldStop)
      work.tally.add(files: piece.start == 0 ? 1 : 0, bytes: bytes)
      return !work.shouldStop()
    }
  }
}
