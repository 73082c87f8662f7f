/// Numbers for people.
enum Figures {
  /// 1234567 as "1,234,567".
  static func grouped(_ number: some BinaryInteger) -> String {
    var text = ""
    for (index, digit) in String(number).reversed().enumerated() {
      if index > 0, index % 3 == 0, digit != "-" { text.append(",") }
      text.append(digit)
    }
    return String(text.reversed())
  }

  /// A number with so many digits behind the point, rounded: "12.30".
  static func fixed(_ number: Double, _ digits: Int) -> String {
    guard number.isFinite else { return "-" }
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let scaled = (abs(number) * Double(scale)).rounded()
    guard scaled < 9e15 else { return String(number) }
    let (whole, part) = Int(scaled).quotientAndRemainder(dividingBy: scale)
    let sign = number < 0 && scaled > 0 ? "-" : ""
    if digits == 0 { return sign + grouped(whole) }
    let behind = String(part)
    return sign + grouped(whole) + "." + String(repeating: "0", count: digits - behind.count) + behind
  }

  static func megabytes(_ bytes: Int, _ digits: Int = 1) -> String { fixed(Double(bytes) / 1e6, digits) }

  static func padded(_ text: String, _ width: Int, right: Bool = true) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return right ? space + text : text + space
  }
}
