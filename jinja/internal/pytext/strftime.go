package pytext

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/toolserve/toolserve/jinja/internal/value"
)

// Strftime prints a time in the format of C's strftime.
func Strftime(budget *value.Budget, t time.Time, format string) string {
	b := value.NewBuffer(budget)
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 || i+1 >= len(format) {
			b.WriteString(format)
			return b.Cut(0)
		}
		budget.Spend(8)
		b.WriteString(format[:i])
		flag := byte(0)
		if i++; strings.IndexByte("-_0^#", format[i]) >= 0 && i+1 < len(format) {
			flag = format[i]
			i++
		}
		b.WriteString(timeField(t, format[i], flag))
		format = format[i+1:]
	}
}

// timeField prints one conversion; what strftime does not know stays as it is.
func timeField(t time.Time, verb, flag byte) string {
	if layout, ok := timeLayouts(verb); ok {
		s := t.Format(layout)
		if flag == '^' || flag == '#' && verb != 'p' {
			return strings.ToUpper(s)
		}
		return s
	}
	n, width, pad := timeNumber(t, verb)
	switch {
	case width < 0:
		return timeOther(t, verb)
	case flag == '-':
		pad = ""
	case flag == '_':
		pad = " "
	case flag == '0':
		pad = "0"
	}
	s := strconv.Itoa(n)
	if missing := width - len(s); pad != "" && missing > 0 {
		s = strings.Repeat(pad, missing) + s
	}
	return s
}

// timeLayouts are the conversions that are texts, in Go's layouts.
func timeLayouts(verb byte) (string, bool) {
	switch verb {
	case 'a':
		return "Mon", true
	case 'A':
		return "Monday", true
	case 'b', 'h':
		return "Jan", true
	case 'B':
		return "January", true
	case 'p':
		return "PM", true
	case 'c':
		return "Mon Jan _2 15:04:05 2006", true
	case 'D', 'x':
		return "01/02/06", true
	case 'F':
		return "2006-01-02", true
	case 'R':
		return "15:04", true
	case 'T', 'X':
		return "15:04:05", true
	case 'r':
		return "03:04:05 PM", true
	}
	return "", false
}

// timeNumber are the conversions that are numbers, with their width and padding; a negative width
// means that verb is none of them.
func timeNumber(t time.Time, verb byte) (n, width int, pad string) {
	isoYear, isoWeek := t.ISOWeek()
	hour12 := (t.Hour()+11)%12 + 1
	switch verb {
	case 'd':
		return t.Day(), 2, "0"
	case 'e':
		return t.Day(), 2, " "
	case 'm':
		return int(t.Month()), 2, "0"
	case 'y':
		return t.Year() % 100, 2, "0"
	case 'Y':
		return t.Year(), 4, ""
	case 'C':
		return t.Year() / 100, 2, "0"
	case 'H':
		return t.Hour(), 2, "0"
	case 'k':
		return t.Hour(), 2, " "
	case 'I':
		return hour12, 2, "0"
	case 'l':
		return hour12, 2, " "
	case 'M':
		return t.Minute(), 2, "0"
	case 'S':
		return t.Second(), 2, "0"
	case 'f':
		return t.Nanosecond() / 1000, 6, "0"
	case 'j':
		return t.YearDay(), 3, "0"
	case 'u':
		return (int(t.Weekday())+6)%7 + 1, 1, ""
	case 'w':
		return int(t.Weekday()), 1, ""
	case 'U':
		return (t.YearDay() + 6 - int(t.Weekday())) / 7, 2, "0"
	case 'W':
		return (t.YearDay() + 6 - (int(t.Weekday())+6)%7) / 7, 2, "0"
	case 'V':
		return isoWeek, 2, "0"
	case 'G':
		return isoYear, 4, ""
	case 'g':
		return isoYear % 100, 2, "0"
	}
	return 0, -1, ""
}

func timeOther(t time.Time, verb byte) string {
	switch verb {
	case '%':
		return "%"
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 's':
		return strconv.FormatInt(t.Unix(), 10)
	case 'z', 'Z':
		return "" // Python's clock has no zone here
	}
	return fmt.Sprintf("%%%c", verb)
}
