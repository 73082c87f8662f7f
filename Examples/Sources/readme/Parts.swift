// What the ten lines of the README stand on.

let urls = (1...3).map { "page \($0)" }

@Sendable func fetch(_ url: String) -> String { "the text of \(url)" }

let data: [UInt8] = [0xCA, 0xFE]

func riskyParser(_ data: [UInt8]) -> Int { data.reduce(0) { $0 << 8 | Int($1) } }
