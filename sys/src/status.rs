//! Tables of status codes: code, name, meaning, advice.

/// A row of a status table: a code with its name, meaning and advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusInfo {
    /// The number that the driver returns.
    pub code: u32,
    /// Its name in the C header.
    pub name: &'static str,
    /// Its meaning, in one clause.
    pub meaning: &'static str,
    /// Advice on what to do about it, in one clause.
    pub advice: &'static str,
}

/// Declares a status type: one constant and one table row for each code that has a name.
macro_rules! status_codes {
    (
        $(#[$about:meta])*
        pub struct $status:ident;
        $($code:literal $name:ident $meaning:literal, $advice:literal;)+
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(transparent)]
        pub struct $status(pub u32);

        $(
            #[doc = concat!($meaning, ": ", $advice, ".")]
            pub const $name: $status = $status($code);
        )+

        impl $status {
            /// Every code that has a name, in rising order.
            pub const TABLE: &'static [$crate::status::StatusInfo] = &[
                $($crate::status::StatusInfo {
                    code: $code,
                    name: stringify!($name),
                    meaning: $meaning,
                    advice: $advice,
                },)+
            ];

            /// The table row of this code; `None` for a number that no header of ours names.
            #[must_use]
            pub fn info(self) -> Option<&'static $crate::status::StatusInfo> {
                let row = Self::TABLE.binary_search_by_key(&self.0, |row| row.code).ok()?;
                Self::TABLE.get(row)
            }

            /// The advice on this code; `None` where the code has no name.
            #[must_use]
            pub fn advice(self) -> Option<&'static str> {
                self.info().map(|row| row.advice)
            }

            /// Whether the call succeeded.
            #[must_use]
            pub const fn is_success(self) -> bool {
                self.0 == 0
            }

            /// `Ok` for success, else the status itself.
            ///
            /// # Errors
            ///
            /// Any code but 0.
            pub const fn ok(self) -> Result<(), Self> {
                if self.is_success() { Ok(()) } else { Err(self) }
            }
        }

        /// Name and number, or the number alone where it has no name, and the meaning.
        impl std::fmt::Display for $status {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.info() {
                    Some(row) => write!(f, "{} ({}): {}", row.name, row.code, row.meaning),
                    None => write!(f, "status {}, which has no name here", self.0),
                }
            }
        }

        impl std::error::Error for $status {}

        impl From<u32> for $status {
            fn from(code: u32) -> Self {
                Self(code)
            }
        }

        #[cfg(test)]
        mod table_tests {
            use super::$status;

            #[test]
            fn the_table_is_sorted_and_every_row_is_found_by_its_code() {
                assert!($status::TABLE.is_sorted_by(|a, b| a.code < b.code));
                for row in $status::TABLE {
                    assert_eq!($status(row.code).info(), Some(row));
                    assert!($status(row.code).to_string().contains(row.name));
                    assert!(!row.meaning.is_empty() && !row.advice.is_empty());
                }
            }

            #[test]
            fn a_code_without_a_name_is_a_value_like_any_other() {
                let most = if cfg!(miri) { 20 } else { 2000 };
                for code in (0..most).chain([0x7fff_ffff, 0x8000_0000, u32::MAX]) {
                    let status = $status::from(code);
                    assert_eq!(status.is_success(), code == 0);
                    assert_eq!(status.ok().is_ok(), code == 0);
                    if status.info().is_none() {
                        assert_eq!(status.to_string(), format!("status {code}, which has no name here"));
                    }
                }
                assert_eq!($status(u32::MAX).info(), None);
            }
        }
    };
}
pub(crate) use status_codes;
