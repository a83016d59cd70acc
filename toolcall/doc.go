// Package toolcall turns what a language model writes into reasoning, content and tool calls, while the
// model is still writing.
//
// Every model family has its own notation for calls. A [Family] is one row of a table; the row alone
// drives the detection of the family from a chat template ([Detect]), the streaming parser
// ([Family.NewParser]) and the grammar that forces calls while decoding ([Family.Grammar]), so that the
// three cannot disagree.
//
// # Rules
//
// They hold for every family and do not depend on how the output was cut into pieces.
//
//   - Every byte is content, reasoning, a call, or the markup of these; it comes out once and in order.
//   - A call starts ([chat.CallStart]) when its name is known, is one of the request's tools, and the
//     first of its arguments is certain. From there its arguments stream. Put together they are the JSON
//     text of one object: as the model wrote it, white space included, where the notation is JSON;
//     otherwise with ", " and ": " between the parts. Key order, digits and non-ASCII text stay.
//   - The notation decides where a call ends; a closing marker inside a string is data.
//   - A call of an unknown tool, and markup in which no call can be read, become content with a
//     [chat.Warning]: what stood between the markers, without the markers. A marker that no call
//     follows at all, as in prose about markers, stays in the content as it was written.
//   - A call that breaks off after it has started, at the end of output or at something that its notation
//     does not allow, is closed where it was: open strings, arrays and objects are closed, what was
//     not yet certain is left out, and a Warning quotes it. [Parser.Incomplete] tells the caller, who
//     should not let such a call be executed.
//   - Parts of a call that its notation does not know, and a header in which the output ends, are left out
//     with a Warning that quotes them.
//   - White space next to the markup of a call or of reasoning is content only between two pieces of text.
//     Reasoning loses the white space at both its ends.
//   - A call written inside reasoning is a draft. It counts only if the reasoning is never closed and
//     the output ends with it (in families known to stop thinking that way: if it is never closed).
//     Reasoning of this kind is held back until that is decided.
//   - Special tokens that mean nothing to the family are dropped; markers work as special tokens and as text.
package toolcall
