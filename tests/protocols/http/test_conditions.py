"""RFC 9110, section 13: conditional requests, as far as an origin server of files meets them."""
import time
import unittest

from protocols.http.conditions import matches, precondition, range_is_current
from protocols.http.dates import format_date, parse_date

NOW = 1_700_000_000
DAY = 86400
ETAG = '"abc"'
MODIFIED = NOW - DAY


def judge(method="GET", **fields):
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return precondition(method, named, ETAG, MODIFIED, NOW)


class EntityTags(unittest.TestCase):
    """Sections 8.8.3, 13.1.1 and 13.1.2."""

    def test_strong_comparison_needs_two_strong_equal_tags(self):
        """Section 8.8.3.2, the table."""
        self.assertFalse(matches('W/"1"', 'W/"1"', weak=False))
        self.assertFalse(matches('W/"1"', '"1"', weak=False))
        self.assertFalse(matches('"1"', 'W/"1"', weak=False))
        self.assertTrue(matches('"1"', '"1"', weak=False))
        self.assertFalse(matches('"2"', '"1"', weak=False))

    def test_weak_comparison_ignores_weakness(self):
        """Section 8.8.3.2, the table."""
        for one in ('W/"1"', '"1"'):
            for other in ('W/"1"', '"1"'):
                self.assertTrue(matches(one, other, weak=True))
        self.assertFalse(matches('W/"1"', 'W/"2"', weak=True))

    def test_a_list_is_searched_whole(self):
        for field in ('"x", "abc"', '"abc","x"', ', ,"x",, W/"y" , "abc" ,', '"a,b", "abc"'):
            self.assertTrue(matches(field, ETAG, weak=True), field)

    def test_a_malformed_list_names_nothing(self):
        for field in ("abc", '"abc', 'abc"', '"abc" "x"', 'w/"abc"', '"x"; "abc"', '"abc"x', "", ",", '*, "abc"', "**"):
            self.assertFalse(matches(field, ETAG, weak=True), field)

    def test_a_long_malformed_list_is_refused_quickly(self):
        for field in ('"a"' + " ," * 8000 + "x", '"' * 16001, '"a",' * 4000 + '"', "\t " * 8000,
                      '"a"' + " " * 16000 + "x"):
            start = time.perf_counter()
            self.assertFalse(matches(field, ETAG, weak=True))
            self.assertLess(time.perf_counter() - start, 0.5, field[:10])


class Preconditions(unittest.TestCase):
    def test_none_means_go_on(self):
        self.assertEqual(judge(), 200)

    def test_if_match(self):
        """Section 13.1.1: strong comparison; `*` holds as there is a file."""
        self.assertEqual(judge(if_match=ETAG), 200)
        self.assertEqual(judge(if_match="*"), 200)
        self.assertEqual(judge(if_match='"other"'), 412)
        self.assertEqual(judge(if_match='W/"abc"'), 412)

    def test_if_none_match(self):
        """Section 13.1.2: weak comparison; 304 for GET and HEAD."""
        for field in (ETAG, 'W/"abc"', "*", '"x", "abc"'):
            self.assertEqual(judge(if_none_match=field), 304)
            self.assertEqual(judge("HEAD", if_none_match=field), 304)
        self.assertEqual(judge(if_none_match='"x"'), 200)

    def test_if_none_match_of_another_method_is_412(self):
        """Section 13.1.2: 304 if the method is GET or HEAD, 412 for all others."""
        self.assertEqual(judge("PUT", if_none_match="*"), 412)

    def test_if_modified_since(self):
        """Section 13.1.3: not modified if the date is that of the file or later."""
        self.assertEqual(judge(if_modified_since=format_date(MODIFIED)), 304)
        self.assertEqual(judge(if_modified_since=format_date(MODIFIED + 1)), 304)
        self.assertEqual(judge(if_modified_since=format_date(MODIFIED - 1)), 200)

    def test_if_modified_since_is_ignored_beside_if_none_match(self):
        """Section 13.1.3: MUST ignore If-Modified-Since if the request contains If-None-Match."""
        self.assertEqual(judge(if_modified_since=format_date(NOW), if_none_match='"x"'), 200)

    def test_if_modified_since_that_is_no_date_is_ignored(self):
        """Section 13.1.3: MUST ignore it if it is not a valid HTTP-date, or has more than one member."""
        good = format_date(NOW)
        for field in ("", "yesterday", str(NOW), good + ", " + good, good[:-3] + "UTC", good + " ", "0"):
            self.assertEqual(judge(if_modified_since=field), 200, field)

    def test_if_modified_since_is_for_reading_only(self):
        """Section 13.1.3: MUST ignore it if the method is neither GET nor HEAD."""
        self.assertEqual(judge("POST", if_modified_since=format_date(NOW)), 200)

    def test_if_unmodified_since(self):
        """Section 13.1.4: MUST NOT perform the method where the file is younger."""
        self.assertEqual(judge(if_unmodified_since=format_date(MODIFIED)), 200)
        self.assertEqual(judge(if_unmodified_since=format_date(MODIFIED - 1)), 412)

    def test_if_unmodified_since_that_is_no_date_is_ignored(self):
        """Section 13.1.4: MUST ignore it if it is not a valid HTTP-date."""
        self.assertEqual(judge(if_unmodified_since="long ago"), 200)

    def test_if_unmodified_since_is_ignored_beside_if_match(self):
        """Section 13.1.4: MUST ignore If-Unmodified-Since if the request contains If-Match."""
        self.assertEqual(judge(if_match=ETAG, if_unmodified_since=format_date(MODIFIED - 1)), 200)

    def test_order(self):
        """Section 13.2.2: the first of a pair decides, and 412 comes before 304."""
        self.assertEqual(judge(if_match='"x"', if_none_match=ETAG), 412)
        self.assertEqual(judge(if_unmodified_since=format_date(MODIFIED - 1), if_none_match=ETAG), 412)
        self.assertEqual(judge(if_match=ETAG, if_none_match=ETAG), 304)


class IfRange(unittest.TestCase):
    """Section 13.1.5."""

    def test_absent_means_that_the_range_counts(self):
        self.assertTrue(range_is_current(None, ETAG, MODIFIED, NOW))

    def test_a_tag_is_compared_strongly(self):
        self.assertTrue(range_is_current(ETAG, ETAG, MODIFIED, NOW))
        for field in ('W/"abc"', '"x"', '"abc", "abc"', '"x", "abc"', "*", ""):
            self.assertFalse(range_is_current(field, ETAG, MODIFIED, NOW), field)

    def test_a_date_must_be_exactly_that_of_the_file(self):
        self.assertTrue(range_is_current(format_date(MODIFIED), ETAG, MODIFIED, NOW))
        self.assertFalse(range_is_current(format_date(MODIFIED + 1), ETAG, MODIFIED, NOW))
        self.assertFalse(range_is_current(format_date(MODIFIED - 1), ETAG, MODIFIED, NOW))

    def test_a_date_whose_second_is_not_over_is_weak(self):
        """Section 13.1.5 with 8.8.2.2: a weak date makes the condition false."""
        self.assertFalse(range_is_current(format_date(NOW), ETAG, NOW, NOW + 0.5))
        self.assertTrue(range_is_current(format_date(NOW), ETAG, NOW, NOW + 1))


class Dates(unittest.TestCase):
    """Section 5.6.7."""

    def test_all_three_forms_are_read(self):
        for text in ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"):
            self.assertEqual(parse_date(text, NOW), 784111777, text)

    def test_the_first_form_is_written(self):
        self.assertEqual(format_date(784111777.9), "Sun, 06 Nov 1994 08:49:37 GMT")

    def test_what_is_written_is_read(self):
        for seconds in (0, 951782400, 1709164800, NOW, 4102444799):
            self.assertEqual(parse_date(format_date(seconds), NOW), seconds)

    def test_two_digits_more_than_fifty_years_ahead_are_in_the_past(self):
        """Section 5.6.7: MUST interpret as the most recent year in the past with the same digits."""
        year_2023 = NOW
        for digits, year in (("23", 2023), ("73", 2073), ("74", 1974), ("99", 1999), ("00", 2000)):
            seconds = parse_date(f"Sunday, 06-Nov-{digits} 08:49:37 GMT", year_2023)
            self.assertEqual(time.gmtime(seconds).tm_year, year)

    def test_times_out_of_range_are_clamped(self):
        self.assertEqual(format_date(-5), "Thu, 01 Jan 1970 00:00:00 GMT")
        self.assertEqual(format_date(1e15), "Fri, 31 Dec 9999 23:59:59 GMT")

    def test_nonsense_is_no_date(self):
        for text in ("Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:00 GMT",
                     "Sun, 6 Nov 1994 08:49:37 GMT", "sun, 06 nov 1994 08:49:37 gmt", "Sun, 00 Nov 1994 08:49:37 GMT",
                     "Sun, 06 Nov 0000 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, ٠٦ Nov 1994 08:49:37 GMT"):
            self.assertIsNone(parse_date(text, NOW), text)


if __name__ == "__main__":
    unittest.main()
