#pragma once

#include <QObject>
#include <QString>

#include <functional>

namespace hearth::app {

/// Tokens and keys, in the system's keyring and nowhere else. Asynchronous: a keyring may ask the person first. The
/// thread of the given context, which must have an event loop.
class Secrets {
public:
    struct Answer {
        QString value;
        QString problem;        // a sentence; empty: it went well, and an empty value means that there is none
        bool noKeyring = false; // the problem is that this system has none
    };

    using Done = std::function<void(const Answer&)>;

    virtual ~Secrets() = default;
    virtual void read(const QString& name, QObject* context, Done) = 0;
    virtual void write(const QString& name, const QString& value, QObject* context, Done) = 0;
    virtual void remove(const QString& name, QObject* context, Done) = 0;

    /// Under which the token of a hub at an address is kept; another address has another token.
    static QString hubToken(const QString& origin) { return QStringLiteral("hub-token:") + origin; }
};

/// The keyring of the desktop (Secret Service, KWallet) through qtkeychain. Without one each call says so.
class SystemSecrets : public Secrets {
public:
    /// `waitMs`: after which a keyring that does not answer counts as absent (one that asks for its password may take
    /// long).
    explicit SystemSecrets(int waitMs = 120'000) : waitMs_(waitMs) {}

    void read(const QString& name, QObject* context, Done) override;
    void write(const QString& name, const QString& value, QObject* context, Done) override;
    void remove(const QString& name, QObject* context, Done) override;

private:
    int waitMs_;
};

} // namespace hearth::app
