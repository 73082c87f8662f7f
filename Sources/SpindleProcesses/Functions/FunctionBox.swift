/// Functions in their most general calling convention: one field, two words.
struct FunctionBox<Output, each Input>: Sendable {
  var function: @Sendable (repeat each Input) throws -> Output

  func call(_ input: repeat each Input) throws -> Output { try function(repeat each input) }
}

struct AsyncFunctionBox<Output, each Input>: Sendable {
  var function: @Sendable (repeat each Input) async throws -> Output
}

/// Functions without a result: generic code cannot treat those as functions with some result without wrapping them.
struct ProcedureBox<each Input>: Sendable {
  var function: @Sendable (repeat each Input) throws -> Void
}

struct AsyncProcedureBox<each Input>: Sendable {
  var function: @Sendable (repeat each Input) async throws -> Void
}

/// A function of one argument as generic code holds it; inside a generic function, making a pack of one of it would
/// need a wrapper that keeps the type parameters.
@usableFromInline
struct UnaryFunctionBox<Output, Input>: Sendable {
  @usableFromInline var function: @Sendable (Input) throws -> Output

  @inlinable
  init(function: @escaping @Sendable (Input) throws -> Output) { self.function = function }
}

struct AsyncUnaryFunctionBox<Output, Input>: Sendable {
  var function: @Sendable (Input) async throws -> Output
}

/// A function without arguments. Not as one with an empty pack of them: the optimiser crashes on programs that make such
/// a pack inside an async function (Swift 6.3), and making one of a plain function here would need a wrapper.
struct NullaryFunctionBox<Output>: Sendable {
  var function: @Sendable () throws -> Output
}

struct AsyncNullaryFunctionBox<Output>: Sendable {
  var function: @Sendable () async throws -> Output
}

struct NullaryProcedureBox: Sendable {
  var function: @Sendable () throws -> Void
}

struct AsyncNullaryProcedureBox: Sendable {
  var function: @Sendable () async throws -> Void
}
